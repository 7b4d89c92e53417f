"""Methods, recipes and characters side by side: one plan, one folder, one honest table."""
