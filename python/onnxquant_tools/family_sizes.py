"""What the small models of families and their inputs agree upon."""

VOCABULARY = 80
