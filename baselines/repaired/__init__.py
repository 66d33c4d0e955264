"""Models of BasicTS 1.1.0 that depart from their papers, or can't run as they are; each file says what it mends.

Nothing is imported here: a model needs the packages of its own file alone.
"""
