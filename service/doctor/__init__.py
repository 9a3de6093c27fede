"""`microbot doctor`: what is wrong with the machine, the settings, the books or the venue, in plain words.

A check takes values and returns findings; what has to be read or asked is read in the check's module, and judged in a
function of its own. `examination.py` makes all checks, in order.
"""
