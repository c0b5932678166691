"""What holds where nobody says otherwise. Imports nothing: the options of the command line name it in ``--help``."""

FAR = 8.0  # interquartile ranges beyond the quartiles from which a value is extreme
FEWEST_UNIQUE = 20  # rows from which a column that differs in all of them is taken for an identifier
MOST_LEVELS = 20  # columns that the levels of one column become
