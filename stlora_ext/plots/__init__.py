"""Pictures as functions of run records."""
