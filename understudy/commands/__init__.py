"""The verbs of the command line, one short file each; what is heavy is imported inside the verb."""
