"""How well the search finds what it is asked for, on questions that other people wrote."""
