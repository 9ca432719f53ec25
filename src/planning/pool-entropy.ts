/**
 * How much a mix hides: the uncertainty of somebody who sees every packet come and go about which of them a leaving packet was.
 *
 * With Poisson arrivals of rate λ and exponential delays of rate µ a packet that leaves now came in d ago with density µ·e^(−µd), so each packet seen to
 * come in has a weight e^(−µd) and the uncertainty is the entropy of the normalised weights. Its mean over all that may have come in depends on a = λ/µ alone:
 *
 *   H(a)·ln 2 = 1 + ∫_0^∞ [ e^(−t) − e^(−a·Ein(t))·(1 − e^(−t))/t ] / t dt,    Ein(t) = ∫_0^t (1 − e^(−x))/x dx
 *
 * (mean of S·ln S for the sum S of the weights, by Campbell's formula and ln S = ∫ (e^(−t) − e^(−tS))/t dt). For many packets it is ln a + 1, the literature's
 * log2(e·λ/µ); that formula is negative below a = 1/e, where the mean is not.
 *
 * Contract: pure; bits. Nothing that the adversary knows beside the instants (who is decoy, compromised senders) is in it.
 * Knows nothing of: networks.
 * Source: Danezis, The Traffic Analysis of Continuous-Time Mixes (2004); the log2(λe/µ); departures: exact for few packets.
 *
 * @module
 */

/** Bounds and step of the integration over ln t; the integrand is below 1e-12 outside, and smooth inside. */
const LOG_T_FIRST = -32
const LOG_T_LAST = 32
const LOG_T_STEP = 1 / 64

/** (1 − e^(−t))/t without cancellation. */
const meanDecay = (t: number): number => (t < 1e-8 ? 1 - t / 2 : -Math.expm1(-t) / t)

/**
 * The mean entropy at one mix.
 * @param packets  a = λ/µ: the mean number of packets in the mix; at least 0
 */
export const poolEntropyBits = (packets: number): number => {
  if (!(packets > 0)) return 0
  let sum = 0
  let ein = Math.exp(LOG_T_FIRST)
  for (let logT = LOG_T_FIRST; logT <= LOG_T_LAST; logT += LOG_T_STEP) {
    const t = Math.exp(logT)
    sum += Math.exp(-t) - Math.exp(-packets * ein) * meanDecay(t)
    const [here, next] = [-Math.expm1(-t), -Math.expm1(-Math.exp(logT + LOG_T_STEP))]
    ein += ((here + next) / 2) * LOG_T_STEP
  }
  return Math.max(0, (1 + sum * LOG_T_STEP) / Math.LN2)
}

/** The literature's formula, for many packets: log2(e·a); −∞ for none. */
export const manyPacketsBits = (packets: number): number => Math.log2(Math.E * packets)

const EULER_GAMMA = 0.5772156649015329

/** ψ(k) and ln Γ(k) of a whole k ≥ 1. */
const digamma = (k: number): number => Array.from({ length: k - 1 }, (_, index) => 1 / (index + 1)).reduce((sum, term) => sum + term, -EULER_GAMMA)
const logGamma = (k: number): number => Array.from({ length: Math.max(0, k - 1) }, (_, index) => Math.log(index + 1)).reduce((sum, term) => sum + term, 0)

/**
 * The same for a whole way of several honest hops, seen at its two ends only, for many packets: log2 of the packets per unit of time, and the entropy of
 * the sum of the hops' delays, a gamma distribution.
 * @param packets  a = λ/µ with λ the packets of the whole network per unit of time
 */
export const pathEntropyBits = (packets: number, hopCount: number): number =>
  packets > 0 ? Math.max(0, (Math.log(packets) + hopCount + logGamma(hopCount) + (1 - hopCount) * digamma(hopCount)) / Math.LN2) : 0
