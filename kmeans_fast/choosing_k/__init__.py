"""How many clusters there are: fits, criteria and a recommendation."""

from .choosing import KChoice as KChoice
from .choosing import Tried as Tried
from .choosing import choose_k as choose_k
