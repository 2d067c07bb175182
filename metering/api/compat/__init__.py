"""The ingest calls of clients people already run, one module per vendor (docs/usage-dialects.md).

A dialect translates a vendor's call into our events and our verdicts into the vendor's answer.
What is stored, counted, refused and set aside is decided where it always is.
"""
