"""The exceptions that are shown to users."""

import re

#: A name and a password in an address
LOGIN = re.compile(r"(?<=://)[^\s/]*@")


class UserError(Exception):
    """A mistake in a configuration, a table, a file or a model that the user can correct.

    Its text is one message: what is wrong, where, and what would be right. It is shown without a traceback. Names and passwords
    in addresses are taken out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(LOGIN.sub("", message))


class Unavailable(UserError):
    """Something outside the project that cannot be reached now, such as a server.

    The same job may succeed later. A job that ends with this error has failed; no outcome is recorded for its model.
    """


class DamagedFile(UserError):
    """A file of an earlier job that was cut short or changed. It has to be deleted, so that its job runs again.

    A job that ends with this error has failed; no outcome is recorded for its model.
    """
