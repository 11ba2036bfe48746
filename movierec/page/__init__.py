"""The page with everyone's recommendations."""
