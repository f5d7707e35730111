"""What every test of the repository shares."""

from hypothesis import settings

# No deadline: a shared machine is sometimes slow, and slow is not wrong. Speed is measured in benchmarks/.
settings.register_profile("sonant", deadline=None, print_blob=True)
settings.load_profile("sonant")
