"""Functions, and key value stores with their data plane, which is signed with SigV4A."""

import case


class Functions(case.Case):
    configuration = "functions"
    resources_made = 7
    resources_changed = 5

    def test_1_one_apply_makes_everything_and_data_sources_tell_the_same(self):
        self.apply_all()
        # The provider tells a published function's etag of either stage.
        self.assert_data_agree(but=("etag", "status"))

    def test_2_then_there_is_nothing_to_do(self):
        self.assert_nothing_to_do()

    def test_3_everything_can_be_changed_in_place(self):
        self.apply_change()
        self.assert_nothing_to_do(changed=True)

    def test_4_everything_can_be_imported(self):
        self.import_all(changes=1, changed=True)

    def test_5_destroy_leaves_nothing(self):
        self.destroy_all("function", "key-value-store", changed=True)
