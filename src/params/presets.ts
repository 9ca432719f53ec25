/**
 * Ready-made parameters, each with a compute service that fits them.
 *
 * Contract: every preset passes `checkParams`, and its service `checkService`.
 * Knows nothing of: how many nodes a network has.
 * Source: the list for `tiny`; mixnet.md §3 (reference defaults) for `echomix`; departures: λR and answer times as noted.
 *
 * @module
 */
import type { MixnetParams, PacketGeometry, ParamsChoice } from "./mixnet-params.ts"
import type { ServicePlan, ServiceProfile } from "./service-profile.ts"

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const GEOMETRY: PacketGeometry = { scheme: "x25519", hopCount: 5, userPayloadBytes: 2000, withSurb: true }

const SHARED = {
  epochPeriodMs: 20 * MINUTE_MS,
  replicaEpochPeriodMs: 7 * DAY_MS,
  dispatchSuite: 2,
  geometry: GEOMETRY,
  mixLayers: 3,
  replicaNike: "x25519"
} as const

/** J of one profile. */
interface ProfileJobs {
  readonly jobsPerQuantum: number
  readonly coverJobs: number
}

/** Profiles shared by all models: small input (4 boxes) in a hurry, and input up to an image line (11 boxes) in less of one; answers of 4 boxes. */
const profiles = (small: ProfileJobs, large: ProfileJobs): ReadonlyArray<ServiceProfile> => [
  { id: 0, inputClass: 0, outputClass: 0, bucket: 1, staged: false, ...small },
  { id: 1, inputClass: 3, outputClass: 0, bucket: 2, staged: false, ...large }
]

/** One place for a client, one for the service's own. */
const TWO_JOBS: ProfileJobs = { jobsPerQuantum: 2, coverJobs: 1 }

/**
 * A network inside one process with native crypto: seconds per inference. No anonymity set to speak of. A quantum of two seconds lets six sessions carry
 * a full quantum of both profiles. Each of its five nodes sends two loops a second of its own, a twentieth of what sessions send.
 */
export const tinyParams: MixnetParams = {
  ...SHARED,
  muPerMs: 0.05,
  lambdaPPerMs: 0.026,
  lambdaLPerMs: 0.0025,
  lambdaMPerMs: 0.002,
  lambdaGPerMs: 0.002,
  lambdaRPerMs: 0.025,
  quantumMs: 2000,
  answerMs: 300,
  sealBeforeEdgeMs: 200,
  retransmitSlackMs: 2000,
  sendSlackMs: 250
}

export const tinyService: ServicePlan = {
  deadlinesMs: [4000, 6000, 10_000, 20_000],
  releaseWindowMs: 1000,
  profiles: profiles(TWO_JOBS, TWO_JOBS),
  sessions: 6,
  workers: 3,
  maxComputeMs: 700
}

/**
 * The same at rates that one slow core can keep: whole networks in one process in real time, some 20 s per inference. A quantum of three seconds lets six
 * sessions carry a full quantum of both profiles and leaves some of the core free: a process that is late drops packets, and sends them again.
 */
export const oneCoreParams: MixnetParams = {
  ...tinyParams,
  lambdaPPerMs: 0.016,
  lambdaLPerMs: 0.0015,
  lambdaMPerMs: 0.001,
  lambdaGPerMs: 0.001,
  lambdaRPerMs: 0.016,
  quantumMs: 3000,
  answerMs: 400
}

export const oneCoreService: ServicePlan = { ...tinyService, deadlinesMs: [6000, 9000, 15_000, 30_000], releaseWindowMs: 2000 }

/**
 * A network of one process per actor on one or two small machines: less than half of tiny's rates, because links between processes cost several
 * times what calls inside one do, and processes that start need room.
 */
export const modestParams: MixnetParams = {
  ...SHARED,
  muPerMs: 0.05,
  lambdaPPerMs: 0.01,
  lambdaLPerMs: 0.001,
  lambdaMPerMs: 0.001,
  lambdaGPerMs: 0.001,
  lambdaRPerMs: 0.01,
  quantumMs: 5600,
  answerMs: 600,
  sealBeforeEdgeMs: 300,
  retransmitSlackMs: 2000,
  sendSlackMs: 250
}

export const modestService: ServicePlan = {
  deadlinesMs: [5600, 11_200, 22_400, 44_800],
  releaseWindowMs: 2800,
  profiles: profiles(TWO_JOBS, TWO_JOBS),
  sessions: 5,
  workers: 3,
  maxComputeMs: 1000
}

/**
 * The same for the crypto backend in pure JavaScript. Making a packet and unwrapping it along its route costs about 30 ms there, so one client and four
 * service sessions at 3.2 packets/s each keep about half a core busy; the loops of nodes, half a loop a second in all, hardly add to it.
 */
export const tinyReferenceParams: MixnetParams = {
  ...SHARED,
  muPerMs: 0.02,
  lambdaPPerMs: 0.003,
  lambdaLPerMs: 0.0002,
  lambdaMPerMs: 0.0001,
  lambdaGPerMs: 0.0001,
  lambdaRPerMs: 0.005,
  quantumMs: 24_000,
  answerMs: 1500,
  sealBeforeEdgeMs: 1000,
  retransmitSlackMs: 10_000,
  sendSlackMs: 1000
}

export const tinyReferenceService: ServicePlan = {
  deadlinesMs: [24_000, 48_000, 96_000, 192_000],
  releaseWindowMs: 8000,
  profiles: profiles(TWO_JOBS, TWO_JOBS),
  sessions: 4,
  workers: 2,
  maxComputeMs: 2000
}

/**
 * The reference's default rates: 200 ms a hop, one packet a second and session, a link command every two seconds. Minutes per inference. λG is left to
 * its formula. λM is that of the reference's test network; its generated configurations have 400 times as many loops, and leave them off.
 */
export const echomixParams: ParamsChoice = {
  ...SHARED,
  muPerMs: 0.005,
  lambdaPPerMs: 0.001,
  lambdaLPerMs: 0.0005,
  lambdaMPerMs: 0.0005,
  lambdaRPerMs: 0.0005,
  quantumMs: MINUTE_MS,
  answerMs: 15_000,
  sealBeforeEdgeMs: 1000,
  retransmitSlackMs: 20_000,
  sendSlackMs: 250
}

export const echomixService: ServicePlan = {
  deadlinesMs: [60_000, 120_000, 300_000, 600_000],
  releaseWindowMs: 45_000,
  profiles: profiles({ jobsPerQuantum: 6, coverJobs: 2 }, TWO_JOBS),
  sessions: 8,
  workers: 4,
  maxComputeMs: 2000
}
