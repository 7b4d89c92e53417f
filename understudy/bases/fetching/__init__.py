"""Getting a base, by its name, from the Hub, a folder or one file, and knowing it again."""
