"""The canonical encoding of everything that is signed: one value, one sequence of bytes.

It is compact JSON with the fields in the order of their type, as msgspec writes it. What decodes but does not
encode back to the same bytes is refused. This one comparison covers white space, escapes, other forms of a
number, doubled, reordered and unknown fields, loose base64 and trailing bytes. So no altered text means the
same as the original.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from safeload.errors import MalformedError

_T = TypeVar("_T")

encode = msgspec.json.Encoder().encode


def decode(decoder: msgspec.json.Decoder[_T], data: bytes, *, what: str) -> _T:
    """Read a value from its canonical encoding.

    Parameters
    ----------
    decoder : msgspec.json.Decoder
        Decoder for the type of the value.
    data : bytes
        What :func:`encode` has written.
    what : str
        What `data` is, for messages: ``"statement"``.

    Returns
    -------
    object
        The value, of the decoder's type.

    Raises
    ------
    MalformedError
        `data` is not what :func:`encode` writes for any value of that type.
    """
    try:
        value = decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # The library's message may quote the data.
        raise MalformedError(f"the {what} cannot be read ({type(error).__name__})") from None
    if encode(value) != data:
        raise MalformedError(
            f"the {what} is not in its canonical encoding (white space, a doubled field, "
            "loose base64 or bytes that do not belong)"
        )
    return value
