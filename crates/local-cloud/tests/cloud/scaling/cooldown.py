deploy()
def pause(cooldown):
    """Returns the seconds between two scale-outs of one instance each. The cooldown applies to the second, since it
    adds no more instances than the first."""
    count = len(activities())
    track(5.0, ScaleOutCooldown=cooldown)
    register(1, 2)
    with Load(40) as load:
        until(lambda: counts() == (2, 2) and in_service())
        register(1, 3)
        until(lambda: counts() == (3, 3) and in_service())
    until(lambda: all(found["StatusCode"] == "Successful" for found in activities()))
    second, first = activities()[:2]
    assert len(activities()) == count + 2, activities()
    return (second["StartTime"] - first["EndTime"]).total_seconds()
register(1, 2)
assert pause(960) >= 8
register(1, 1)
until(lambda: counts() == (1, 1) and in_service())
assert pause(0) < 8
