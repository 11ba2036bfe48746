"""Interactions: matrices, histories, the graph as arrays, and side features."""
