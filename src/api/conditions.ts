/**
 * Every condition of a ScaledWorker, and every reason that it can have. Closed, and their meaning does not change: they
 * are part of the API.
 */
export const conditions = {
  Ready: {
    what: "It can read enough to decide, and may act. True at zero replicas too.",
    reasons: {
      Working: "True: it reads and acts.",
      Starting: "Unknown: not everything has been read yet.",
      InvalidSpec: "The newest spec has an error; the one before it stays in force.",
      ConnectionNotFound: "A QueueConnection is missing, or does not let this namespace use it.",
      SecretNotFound: "A Secret or ConfigMap of the connection, or the key in it, is missing or may not be read.",
      Forbidden: "The broker refuses the credential, or the API server refuses the controller.",
      QueueUnreachable: "The broker has not answered for longer than three intervals and a minute.",
      QueueNotFound: "The queue, stream or group does not exist.",
      InvalidAnswer: "The broker's answer makes no sense for this kind of queue.",
      InternalFault: "A fault of Worktide itself: please report it.",
      TargetNotFound: "The target does not exist.",
      TargetNotScalable: "The target has no `/scale` subresource.",
      TargetUnreachable: "The API server does not answer for the target.",
      Conflict: "Somebody else scales the target too.",
      CannotStart: "Workers cannot start.",
      CrashLooping: "Workers start and crash.",
    },
  },
  Active: {
    what: "There is demand now.",
    reasons: {
      Starting: "Unknown: nothing is decided yet.",
      WorkWaiting: "True: jobs wait, or are due soon.",
      WorkersBusy: "True: no job waits, and workers have some in hand.",
      Schedule: "True: a schedule asks for replicas.",
      CoolingDown: "False: there is nothing to do, and the cooldown still runs.",
      Empty: "False: there is nothing to do.",
    },
  },
  ReadingsFresh: {
    what: "Every queue answered in time.",
    reasons: {
      Starting: "Unknown: a queue was neither read nor has it failed yet.",
      AllFresh: "True: all of them did.",
      SomeStale: "False: some did not; their last good readings are held.",
      AllStale: "False: none did; the last good readings are held.",
      Expired: "False: a last good reading is older than `staleAfter`, and asks for nothing any more.",
      NeverRead: "False: a queue could never be read.",
    },
  },
  ScalingLimited: {
    what: "Something else than demand set the size.",
    reasons: {
      Starting: "Unknown: nothing is decided yet.",
      DesiredWithinRange: "False: demand alone did.",
      AtMaximum: "True: `replicas.max`.",
      AtMinimum: "True: `replicas.min`, or the idle size.",
      StepLimit: "True: a policy of `behavior`.",
      Stabilising: "True: the stabilisation window of `behavior`.",
      WithinTolerance: "True: the change is too small (`tolerance`).",
      CoolingDown: "True: the cooldown.",
      WorkersBusy: "True: workers with a job in hand stay.",
      WorkersFailing: "True: workers fail, and more of them would help nobody.",
      ReadingsUnknown: "True: what is not known never lowers a size.",
      Held: "True: a pause.",
    },
  },
  Paused: {
    what: "Its size is held still, or nothing is written at all.",
    reasons: {
      PausedBySpec: "True: by `spec.pause` or the annotation `worktide.dev/paused`; the message says why.",
      SetToZero: "True: somebody set the target to zero; raise it to go on.",
      ObserveOnly: "True: `mode: Observe`.",
      NotPaused: "False.",
    },
  },
  Stalled: {
    what: "Present only while true: only a user can mend what is wrong. For tools that follow kstatus (Flux, `kpt`).",
    reasons: {},
  },
  Reconciling: {
    what: "Present only while true: the newest spec is being taken in.",
    reasons: { NewGeneration: "True: nothing was decided by it yet." },
  },
} as const;

/** The same for a QueueConnection or ClusterQueueConnection. */
export const connectionConditions = {
  Ready: {
    what: "It is connected, or nobody needs it to be.",
    reasons: {
      Connected: "True: it is.",
      Connecting: "Unknown: it is about to, or has been down for less than a minute.",
      Unused: "True: no ScaledWorker uses it, so nobody has tried.",
      InvalidSpec: "The newest spec has an error; the one before it stays in force.",
      SecretNotFound: "A Secret or ConfigMap that it refers to, or the key in it, is missing or may not be read.",
      Forbidden: "The broker refuses the credential.",
      QueueUnreachable: "The broker has not answered for a minute.",
      InvalidAnswer: "The broker's answer makes no sense.",
      InternalFault: "A fault of Worktide itself: please report it.",
    },
  },
  Stalled: conditions.Stalled,
} as const;

/** Reasons of events of a ScaledWorker, beside those for which it is not ready. */
export const eventReasons = {
  ScaledFromZero: "Normal: from none to the first replicas.",
  ScaledUp: "Normal: to more replicas.",
  ScaledDown: "Normal: to fewer replicas.",
  ScaledToZero: "Normal: to none.",
  HitMaximum: "Normal: demand asks for more than `replicas.max`.",
  Paused: "Normal: its size is held from now on.",
  Resumed: "Normal: its size follows its work again.",
  Recovered: "Normal: it was not ready, and is; the note says what it was.",
  ScaledByOther: "Warning: somebody else set the size of the target; the note says who.",
  TargetReplaced: "Warning: the target was deleted and made anew under its name.",
  WrongWorkerRemoved: "Warning: others went than the idle workers that were chosen.",
  NotRestored: "Warning: with `onDelete: Restore`, the target could not be given its size back.",
} as const;

type Conditions = typeof conditions;

/** Those that are always there, in the order in which they stand in the status. */
export type ConditionType = Exclude<keyof Conditions, "Stalled" | "Reconciling">;
export type EventReason = keyof typeof eventReasons | ConditionReason;
export type ConditionReason = { [Type in ConditionType]: keyof Conditions[Type]["reasons"] }[ConditionType];
