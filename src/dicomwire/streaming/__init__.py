"""Data sets as they stream: from stores, archives and message bodies, in bounded memory."""
