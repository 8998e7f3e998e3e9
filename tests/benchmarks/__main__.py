"""``make bench``: what a trial costs on this machine, and what searches cost against their lower bound."""

from tests.benchmarks import launch_cost, search_cost

if __name__ == "__main__":
    launch_cost.main()
    print()
    search_cost.main()
