"""What the small models of families and their inputs agree upon."""

VOCABULARY = 80
# Stands for a picture or a sound in a text.
PLACE = VOCABULARY - 1
