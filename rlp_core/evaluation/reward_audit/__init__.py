"""Was the reward earned by thinking? Signs of reward hacking, and of a taste for a group.

`measuring` makes rows with the model in hand, everything else is arithmetic over rows.
"""
