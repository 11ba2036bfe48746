"""The one error that a person is meant to read."""


class UserError(Exception):
    """Something that whoever runs the project can put right.

    Its message says what is wrong (file, line, key or value), and what to do next. Stages print it
    as it is and exit with 1; anything else that is raised is a bug of ours, and shows its traceback.
    """
