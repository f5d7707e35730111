"""What every test of the repository shares."""

import signal

from hypothesis import settings

# No deadline: a shared machine is sometimes slow, and slow is not wrong. Speed is measured in benchmarks/.
settings.register_profile("sonant", deadline=None, print_blob=True)
settings.load_profile("sonant")

# Run in the background of a shell they would ignore this signal, and those of interruptions wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
