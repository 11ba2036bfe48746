"""Errors, params, files and linear algebra."""
