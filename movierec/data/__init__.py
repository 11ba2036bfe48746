"""From files to clean tables, positive interactions and the split."""
