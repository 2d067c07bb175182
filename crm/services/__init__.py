"""Take CRM records in, row by row or file by file."""
