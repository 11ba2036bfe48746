"""The evaluation of rankings, in numbers, tables and figures."""
