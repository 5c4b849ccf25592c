from .cell import load_cell as load_cell
from .intracellular_file import Currents as Currents
from .intracellular_file import read_currents as read_currents
from .intracellular_file import write_currents as write_currents
from .simulation import simulate_model as simulate_model
from .simulation import simulate_spikes as simulate_spikes
from .simulation import step_response as step_response
