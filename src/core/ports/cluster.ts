import type { EndpointSummary, NetworkPolicySummary, ServiceSummary } from '../objects.ts'
import type { Principal, Right } from '../principal.ts'
import type { ProfileName } from '../profile.ts'
import type { PodSummary, Target } from '../target.ts'

export interface NamespaceSummary {
  name: string
  labels: Record<string, string>
  annotations: Record<string, string>
  deleting: boolean
}

/** The pods of a target, chosen: ready ones first, spread over nodes and revisions. */
export interface ResolvedTarget {
  /** How they were chosen, in words; recorded with the job. */
  rule: string
  /** Pods that the target matched before maxPods cut them down. */
  matched: number
  pods: PodSummary[]
}

export interface ClusterInfo {
  version: string
  /** Whether discovery lists pods/ephemeralcontainers. */
  ephemeralContainers: boolean
}

/** Something that may refuse or change what is done to pods; `bindings`: of a ValidatingAdmissionPolicy, which does nothing without. */
export interface AdmissionPolicy {
  kind: 'ValidatingAdmissionPolicy' | 'ValidatingWebhookConfiguration' | 'MutatingWebhookConfiguration'
  name: string
  bindings: string[]
}

/** `unread`: parts that could not be read, and why, in words; the rest is as it was read. */
export interface AdmissionSurvey { policies: AdmissionPolicy[], unread: string[] }

/** Networks by the signs that they leave: groups of their own in the API, annotations and conditions of nodes, DaemonSets. */
export interface NetworkSurvey { names: string[], signs: string[], unread: string[] }

/** Memory of a node in bytes: what pods may ask for in all, and what those that live there ask for. */
export interface NodeMemory { allocatableBytes: number, requestedBytes: number }

/** Names that reach a reader have passed the patterns of core/schema.ts; the adapter checks them once more before they meet a URL. */
export interface ClusterReader {
  info (signal?: AbortSignal): Promise<ClusterInfo>
  namespace (name: string, signal?: AbortSignal): Promise<NamespaceSummary | null>
  namespaces (signal?: AbortSignal): Promise<NamespaceSummary[]>
  pod (namespace: string, name: string, signal?: AbortSignal): Promise<PodSummary | null>
  /** Pods of a namespace, by label selector; the API server's pages are followed. */
  pods (namespace: string, labelSelector: string | null, signal?: AbortSignal): Promise<PodSummary[]>
  service (namespace: string, name: string, signal?: AbortSignal): Promise<ServiceSummary | null>
  /** The addresses of all EndpointSlices of a Service. */
  endpoints (namespace: string, service: string, signal?: AbortSignal): Promise<EndpointSummary[]>
  networkPolicies (namespace: string, signal?: AbortSignal): Promise<NetworkPolicySummary[]>
  /**
   * Pods and Services that have an IP, of one namespace or, with null, of all. Rejects with EPH_ACCOUNT_FORBIDDEN where our account may
   * not list them there.
   */
  owners (ip: string, namespace: string | null, signal?: AbortSignal): Promise<{ pods: PodSummary[], services: ServiceSummary[] }>
  /** What admission has for pods and their ephemeral containers. Never rejects because of what cannot be read. */
  admission (signal?: AbortSignal): Promise<AdmissionSurvey>
  /** Whose network this is. Never rejects because of what cannot be read. */
  network (signal?: AbortSignal): Promise<NetworkSurvey>
  /** Null: there is no such node. Rejects with EPH_ACCOUNT_FORBIDDEN where our account may not read nodes, or pods of all namespaces. */
  nodeMemory (node: string, signal?: AbortSignal): Promise<NodeMemory | null>
  /** Rejects with EPH_TARGET_UNKNOWN or EPH_TARGET_EMPTY. */
  resolve (target: Target, signal?: AbortSignal): Promise<ResolvedTarget>
}

/** The ephemeral container of a session, as it is asked for. */
export interface ContainerRequest {
  /** ephemera-<32 hex> */
  name: string
  /** repository@sha256:… */
  image: string
  profile: ProfileName
  /** targetContainerName, or null: no process namespace is shared. */
  sharedContainer: string | null
}

export interface Injector {
  /** Server-side dry run. Rejects with EPH_POD_SECURITY, EPH_ADMISSION_DENIED, EPH_POD_GONE or EPH_CLUSTER_UNAVAILABLE. */
  dryRun (pod: PodSummary, container: ContainerRequest, signal?: AbortSignal): Promise<void>
  /** Idempotent by the container's name. Rejects as `dryRun`; also where the pod's UID is no longer the same. */
  inject (pod: PodSummary, container: ContainerRequest, signal?: AbortSignal): Promise<void>
}

export interface Reviewer {
  /** TokenReview; null when the token is not valid for one of the audiences. */
  authenticate (token: string, audiences: string[], signal?: AbortSignal): Promise<Principal | null>
  /** SubjectAccessReview of the principal, uncached; for the local identity a SelfSubjectAccessReview. */
  allowed (principal: Principal, right: Right, signal?: AbortSignal): Promise<boolean>
  /** SelfSubjectAccessReview: what our own account may do. */
  selfAllowed (right: Right, signal?: AbortSignal): Promise<boolean>
  /** SelfSubjectReview: who the kubeconfig or the ServiceAccount is. */
  self (signal?: AbortSignal): Promise<Principal>
}
