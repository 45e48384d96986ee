"""
What this replica holds of logs: its own turns, and the mirrors of all that it writes or reads.
"""

from outcrop.turns.records import Lease, TurnOpening
from outcrop.turns.redis.codec import TurnRecord
from outcrop.turns.redis.follower import Follower
from outcrop.turns.redis.loader import Loader
from outcrop.turns.redis.mirror import Mirror, MirrorBudget, MirrorReader
from outcrop.turns.redis.refusals import lost
from outcrop.turns.redis.writer import OwnTurn


class Holdings:
    """
    Keep own turns and mirrors, and implement `Keeper`.

    A mirror stays as long as its turn is this replica's or somebody here reads it.

    Args:
        budget: bounds all mirrors together.
        loader: reads from Redis.
        follower: keeps mirrors of remote turns up to date.
    """

    def __init__(self, budget: MirrorBudget, loader: Loader, follower: Follower) -> None:
        self.own: dict[str, OwnTurn] = {}
        self.mirrors: dict[str, Mirror] = {}
        self._budget = budget
        self._loader = loader
        self._follower = follower

    def find_own(self, turn_id: str, owner: str) -> OwnTurn | None:
        """
        Find an owner's turn that runs on this replica.
        """
        turn = self.own.get(turn_id)
        return turn if turn is not None and turn.opening.owner == owner else None

    def held(self, lease: Lease) -> OwnTurn:
        """
        Find the turn of a lease.

        Raises:
            LeaseLost: it is not this replica's, or its end is being written.
        """
        turn = self.own.get(lease.turn_id)
        if turn is None or turn.lease.token != lease.token or turn.is_closing:
            raise lost(lease)
        return turn

    def fetch_page(self, reader: MirrorReader) -> None:
        """
        Get a page for a reader. See `Keeper.fetch_page`.
        """
        self._loader.fetch_page(reader)

    def fill_gap(self, mirror: Mirror) -> None:
        """
        Catch a mirror up. See `Keeper.fill_gap`.
        """
        self._loader.fill_gap(mirror)

    def let_go_of(self, mirror: Mirror) -> None:
        """
        Know that a mirror's last reader has left. See `Keeper.let_go_of`.
        """
        turn = self.own.get(mirror.turn_id)
        if turn is None or turn.mirror is not mirror:
            self.drop(mirror)

    def mirror_record(self, record: TurnRecord) -> Mirror:
        """
        Make the mirror of a turn that is read here for the first time; a final one is then caught up.
        """
        # A final log's window begins with its last entry, which is read at once.
        first_seq = record.last_seq + 1 if record.state == "running" else record.last_seq
        return self.make_mirror(record.opening, record.epoch, first_seq=first_seq, log_first_seq=record.first_seq)

    def make_mirror(self, opening: TurnOpening, epoch: str, *, first_seq: int, log_first_seq: int) -> Mirror:
        """
        Make an empty mirror.
        """
        mirror = Mirror(
            opening, epoch, first_seq=first_seq, log_first_seq=log_first_seq, budget=self._budget, keeper=self
        )
        self.mirrors[opening.turn_id] = mirror
        return mirror

    def drop(self, mirror: Mirror) -> None:
        """
        Forget a mirror.
        """
        if self.mirrors.get(mirror.turn_id) is mirror:
            del self.mirrors[mirror.turn_id]
        self._follower.unfollow(mirror)
        self._budget.drop(mirror)

    def forget(self, turn: OwnTurn) -> None:
        """
        Let go of an own turn; its readers keep its mirror.
        """
        self.own.pop(turn.lease.turn_id, None)
        if not turn.mirror.readers:
            self.drop(turn.mirror)

    def hand_over(self, turn: OwnTurn) -> None:
        """
        Go on reading a turn that another replica writes now.
        """
        self.forget(turn)
        if turn.mirror.readers:
            self._follower.follow(turn.mirror)
