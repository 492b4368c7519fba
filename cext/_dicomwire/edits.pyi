from typing import final

@final
class Edits: ...
