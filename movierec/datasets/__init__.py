"""Data sets: the MovieLens releases and how to obtain them."""
