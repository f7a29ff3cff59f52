import { z } from "zod";
import { cel, clusterOnly, complain, text } from "../../src/api/fields.ts";

const labelName = () => text(317);
const labelValue = () => text(63, 0);
const withValues = ["In", "NotIn"];

const expression = z
  .strictObject({
    key: labelName().describe("Name of the label. Example: `tier`."),
    operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]).describe("How it is compared. Example: `In`."),
    values: z.array(labelValue()).min(1).max(64).optional().describe("With `In` and `NotIn`. Example: `[web, api]`."),
  })
  .superRefine(({ operator, values }, context) => {
    if (withValues.includes(operator) === (values !== undefined)) return;
    const message = `must ${values === undefined ? "have" : "not have"} \`values\` with \`operator: ${operator}\``;
    complain(context, "label-selector", [], message);
  })
  .meta(
    cel({
      rule: "(self.operator in ['In', 'NotIn']) == has(self.values)",
      message: "must have `values` with `In` and `NotIn` only",
    }),
  );

const selector = z
  .strictObject({
    matchLabels: z.record(labelName(), labelValue()).optional().describe("Labels and their values. Example: `{ app: web }`."),
    matchExpressions: z.array(expression).max(16).optional().describe("Conditions on labels."),
  })
  .superRefine(({ matchLabels = {}, matchExpressions = [] }, context) => {
    if (Object.keys(matchLabels).length + matchExpressions.length > 0) return;
    const message = "must have a label in `matchLabels`, or a condition in `matchExpressions`";
    complain(context, "label-selector", [], message, { unlessUnknown: true });
  })
  .meta(
    cel({
      rule: "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
      message: "must have a label in `matchLabels`, or a condition in `matchExpressions`",
    }),
  );

/** The pods of another workload, and how many replicas each of them asks for. */
export const query = z
  .strictObject({
    selector: selector.describe("Which pods of this namespace, as Kubernetes selects. All of its conditions must hold."),
    count: z
      .enum(["All", "Ready"])
      .default("All")
      .describe("Pods that count: all that are not over and not leaving, or ready ones. Example: `Ready`."),
    podsPerReplica: z.number().min(0.001).max(100_000).describe("So many pods for each replica. Example: `4`."),
  })
  .meta(clusterOnly("there are no pods"));
