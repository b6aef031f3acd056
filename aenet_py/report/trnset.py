"""What trnset2ASCII.x prints on standard output; loading and normalising a set is as in `trainx`."""

from __future__ import annotations

TO_TEXT = " Converting binary format to ASCII text format.\n"
TO_BINARY = " Converting ASCII format to binary format.\n"
DONE = " Done.\n"
