"""Which bases people use, what they take, and which of them suits this machine."""
