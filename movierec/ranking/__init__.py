"""Full ranking and ranking metrics."""
