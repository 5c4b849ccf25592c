from .describe import describe_realism as describe_realism
from .in_vivo import read_in_vivo as read_in_vivo
