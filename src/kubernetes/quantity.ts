const factors: Record<string, number> = {
  '': 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60
}

/** A Kubernetes quantity (`64Mi`, `1.5G`, `1e9`) as a number, or null where there is none or it cannot be read. */
export function parseQuantity (quantity: string | undefined): number | null {
  const match = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)$/.exec(quantity ?? '')
  const factor = match ? factors[match[2]!] : undefined
  const value = Number(match?.[1]) * (factor ?? NaN)
  return Number.isFinite(value) ? value : null
}
