"""What stands between the network and the routes: connections, limits, keys, logs and measurements.

Everything here is plain ASGI, or below it; no route, no model and no text is known here.
"""
