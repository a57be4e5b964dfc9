deploy()
register(1, 2)
track(4.0, ScaleInCooldown=30, ScaleOutCooldown=30)
with Load(4) as load:
    until(lambda: load.sent > 10)
# This isn't finished yet when the server stops.
register(2, 2)
