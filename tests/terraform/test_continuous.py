"""A staging distribution, and the policy that shows it to some viewers."""

import case

STAGED = ("-H", "aws-cf-cd-stage: green")


class ContinuousDeployment(case.Case):
    configuration = "continuous"
    resources_made = 4
    resources_changed = 1

    @classmethod
    def set_up(cls):
        return {"origin_port": cls.start_site()}

    def test_1_one_apply_makes_the_distributions_and_the_policy(self):
        self.apply_all()
        self.assert_nothing_to_do()
        self.assertEqual("blue", self.body("blue.test", "/index.html", *STAGED))

    def test_2_the_policy_on_the_distribution_shows_the_copy_to_who_sends_the_header(self):
        self.apply_change()
        self.assertEqual("blue", self.body("blue.test", "/index.html"))
        self.assertEqual("green", self.body("blue.test", "/index.html", *STAGED))
        self.assert_nothing_to_do(changed=True)

    def test_3_a_changed_policy_shows_it_to_some(self):
        words = self.terraform.apply(changed=True, by_weight=True)
        self.assertIn("0 added, 1 changed, 0 destroyed", words)
        self.assertEqual({"blue", "green"}, {
            self.body("blue.test", "/index.html") for _ in range(100)
        })

    def test_4_everything_can_be_imported(self):
        self.import_all(changed=True, by_weight=True)

    def test_5_destroy_leaves_nothing(self):
        self.destroy_all("distribution", "continuous-deployment-policy", changed=True,
                         by_weight=True)
