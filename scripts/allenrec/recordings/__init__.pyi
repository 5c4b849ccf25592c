from .formats.recording_file import Recording as Recording
from .formats.recording_file import read_recording as read_recording
from .plan import Plan as Plan
from .plan import plan_recording as plan_recording
