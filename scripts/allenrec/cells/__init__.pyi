from .query import load_cell_table as load_cell_table
from .table import CellRow as CellRow
from .table import describe_cell as describe_cell
from .table import read_cells as read_cells
