from .query import answered_cells as answered_cells
from .table import describe_cell as describe_cell
