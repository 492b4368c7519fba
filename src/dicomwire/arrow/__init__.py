"""Columns of header values as Arrow record batches; needs pyarrow, the extra ``arrow``, which is imported when called.

The type of a column follows from the dictionary, not from the first values: integers and decimals are 64 bits wide,
elements that may have several values are lists.  What a file has in place of such a value is left out of the cell and
said in the row's ``error``, never lost without a word.
"""

from dicomwire.arrow.columns import column_type, record_batch, require_pyarrow, schema, table

__all__ = ["column_type", "record_batch", "require_pyarrow", "schema", "table"]
