import type { ContainerdConnection } from '@dray/containerd-api';
import { expectField, labelPaths, type CallOptions, type Labels } from './values.ts';

/** A namespace and its labels. */
export interface NamespaceRecord {
  readonly name: string;
  readonly labels: Labels;
}

/** containerd's namespaces. One also comes into being with its first object. */
export class NamespacesClient {
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection) {
    this.#connection = connection;
  }

  /** A namespace that is not there has no labels; that is no error. */
  async get(name: string, options: CallOptions = {}): Promise<NamespaceRecord> {
    return expectField((await this.#connection.namespaces.get({ name }, options)).namespace, 'namespace');
  }

  async list(options: CallOptions = {}): Promise<NamespaceRecord[]> {
    return (await this.#connection.namespaces.list({}, options)).namespaces;
  }

  /** @throws ContainerdApiError already_exists */
  async create(name: string, labels: Labels = {}, options: CallOptions = {}): Promise<void> {
    await this.#connection.namespaces.create({ namespace: { name, labels } }, options);
  }

  /** Sets these labels and leaves the others; an empty value removes a label. */
  async setLabels(name: string, labels: Labels, options: CallOptions = {}): Promise<void> {
    await this.#connection.namespaces.update({ namespace: { name, labels }, updateMask: labelPaths(labels) }, options);
  }

  /** @throws ContainerdApiError failed_precondition while it holds anything */
  async delete(name: string, options: CallOptions = {}): Promise<void> {
    await this.#connection.namespaces.delete({ name }, options);
  }
}
