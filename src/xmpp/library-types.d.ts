/** Types of @xmpp/component 0.13.1, which ships none: only what we use, its semi-private seams included. */
declare module '@xmpp/component' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';
  import type { Element } from '@xmpp/xml';

  export interface Component extends EventEmitter {
    status: string;
    /** Limit in milliseconds of the library's own waits; 0: none. */
    timeout: number;
    socket: Socket | null;
    parser: { write(chunk: string): void } | null;
    /** The library makes an object of it for each stream. */
    Parser: new () => EventEmitter & { write(chunk: string): void };
    readonly reconnect: { stop(): void };
    readonly iqCallee: {
      /** Replies to iqs of type get with this child: false means service-unavailable, `true` an empty result. */
      get(
        namespace: string,
        name: string,
        handler: (context: { readonly element: Element }) => Element | true,
      ): void;
    };
    open(options: { readonly domain: string }): Promise<unknown>;
    authenticate(id: string | undefined, secret: string): Promise<void>;
    send(element: Element): Promise<void>;
    write(text: string): Promise<void>;
    _attachSocket(socket: Socket): void;
    _onData(data: Buffer): void;
    _onElement(element: Element, bytes: number): void;
    _onParserError(error: Error): void;
    _status(status: string, ...values: readonly unknown[]): void;
  }

  export function component(options: {
    readonly service: string;
    readonly domain: string;
    readonly password: string;
  }): Component;
}
