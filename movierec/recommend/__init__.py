"""Recommendations by a trained model: from Python and on the command line."""
