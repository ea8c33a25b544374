export namespace desktop {
	
	export class NewerView {
	    version: string;
	    changes: string;
	
	    static createFrom(source: any = {}) {
	        return new NewerView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.version = source["version"];
	        this.changes = source["changes"];
	    }
	}
	export class Program {
	    version: string;
	    system: string;
	    folder: string;
	    atLogin: boolean;
	    crashed: boolean;
	    updates: boolean;
	    looks: boolean;
	    newer: NewerView;
	    refused: string;
	
	    static createFrom(source: any = {}) {
	        return new Program(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.version = source["version"];
	        this.system = source["system"];
	        this.folder = source["folder"];
	        this.atLogin = source["atLogin"];
	        this.crashed = source["crashed"];
	        this.updates = source["updates"];
	        this.looks = source["looks"];
	        this.newer = this.convertValues(source["newer"], NewerView);
	        this.refused = source["refused"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}

}

export namespace figures {
	
	export class Uplink {
	    rate: number;
	    height: number;
	    paused: number;
	
	    static createFrom(source: any = {}) {
	        return new Uplink(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.rate = source["rate"];
	        this.height = source["height"];
	        this.paused = source["paused"];
	    }
	}
	export class Flow {
	    bytes: number;
	    packets: number;
	    lost: number;
	    height: number;
	    frames: number;
	
	    static createFrom(source: any = {}) {
	        return new Flow(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.bytes = source["bytes"];
	        this.packets = source["packets"];
	        this.lost = source["lost"];
	        this.height = source["height"];
	        this.frames = source["frames"];
	    }
	}
	export class Person {
	    id: string;
	    way: string;
	    roundTrip: number;
	    out: Flow;
	    in: Flow;
	
	    static createFrom(source: any = {}) {
	        return new Person(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.way = source["way"];
	        this.roundTrip = source["roundTrip"];
	        this.out = this.convertValues(source["out"], Flow);
	        this.in = this.convertValues(source["in"], Flow);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Call {
	    at: number;
	    sent: number;
	    received: number;
	    people: Person[];
	    uplink?: Uplink;
	
	    static createFrom(source: any = {}) {
	        return new Call(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.at = source["at"];
	        this.sent = source["sent"];
	        this.received = source["received"];
	        this.people = this.convertValues(source["people"], Person);
	        this.uplink = this.convertValues(source["uplink"], Uplink);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	
	

}

export namespace hoststate {
	
	export class AddressView {
	    url: string;
	    reach: string;
	    tunnel?: string;
	    door?: boolean;
	
	    static createFrom(source: any = {}) {
	        return new AddressView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.url = source["url"];
	        this.reach = source["reach"];
	        this.tunnel = source["tunnel"];
	        this.door = source["door"];
	    }
	}
	export class ArrivalView {
	    id: number;
	    linkId: string;
	    name: string;
	
	    static createFrom(source: any = {}) {
	        return new ArrivalView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.linkId = source["linkId"];
	        this.name = source["name"];
	    }
	}
	export class CalendarWish {
	    start: number;
	    minutes: number;
	    repeat: string;
	    zone: string;
	
	    static createFrom(source: any = {}) {
	        return new CalendarWish(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.start = source["start"];
	        this.minutes = source["minutes"];
	        this.repeat = source["repeat"];
	        this.zone = source["zone"];
	    }
	}
	export class VisitView {
	    name: string;
	    came: number;
	    gone: number;
	
	    static createFrom(source: any = {}) {
	        return new VisitView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.name = source["name"];
	        this.came = source["came"];
	        this.gone = source["gone"];
	    }
	}
	export class CallRecordView {
	    began: number;
	    ended: number;
	    sent: number;
	    received: number;
	    visits: VisitView[];
	
	    static createFrom(source: any = {}) {
	        return new CallRecordView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.began = source["began"];
	        this.ended = source["ended"];
	        this.sent = source["sent"];
	        this.received = source["received"];
	        this.visits = this.convertValues(source["visits"], VisitView);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class RecordedPersonView {
	    id: string;
	    name: string;
	    state: string;
	
	    static createFrom(source: any = {}) {
	        return new RecordedPersonView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.name = source["name"];
	        this.state = source["state"];
	    }
	}
	export class RecordingView {
	    startedAt: number;
	    people: RecordedPersonView[];
	
	    static createFrom(source: any = {}) {
	        return new RecordingView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.startedAt = source["startedAt"];
	        this.people = this.convertValues(source["people"], RecordedPersonView);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class ParticipantView {
	    id: string;
	    name: string;
	    host: boolean;
	    coHost: boolean;
	    muted: boolean;
	    cameraOff: boolean;
	    away: boolean;
	    joinedAt: number;
	    noMedia?: string;
	    hand?: number;
	
	    static createFrom(source: any = {}) {
	        return new ParticipantView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.name = source["name"];
	        this.host = source["host"];
	        this.coHost = source["coHost"];
	        this.muted = source["muted"];
	        this.cameraOff = source["cameraOff"];
	        this.away = source["away"];
	        this.joinedAt = source["joinedAt"];
	        this.noMedia = source["noMedia"];
	        this.hand = source["hand"];
	    }
	}
	export class CallView {
	    linkId: string;
	    name: string;
	    hostIn: boolean;
	    engine: string;
	    participants: ParticipantView[];
	    recording?: RecordingView;
	
	    static createFrom(source: any = {}) {
	        return new CallView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.linkId = source["linkId"];
	        this.name = source["name"];
	        this.hostIn = source["hostIn"];
	        this.engine = source["engine"];
	        this.participants = this.convertValues(source["participants"], ParticipantView);
	        this.recording = this.convertValues(source["recording"], RecordingView);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class CopyView {
	    id: string;
	    name: string;
	    once: boolean;
	    createdAt: number;
	    usedAt: number;
	    browsers: number;
	    addresses: AddressView[];
	
	    static createFrom(source: any = {}) {
	        return new CopyView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.name = source["name"];
	        this.once = source["once"];
	        this.createdAt = source["createdAt"];
	        this.usedAt = source["usedAt"];
	        this.browsers = source["browsers"];
	        this.addresses = this.convertValues(source["addresses"], AddressView);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class DeedView {
	    id: number;
	    linkId: string;
	    by: string;
	    deed: string;
	    name: string;
	    at: number;
	
	    static createFrom(source: any = {}) {
	        return new DeedView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.linkId = source["linkId"];
	        this.by = source["by"];
	        this.deed = source["deed"];
	        this.name = source["name"];
	        this.at = source["at"];
	    }
	}
	export class DeviceView {
	    id: string;
	    name: string;
	    default: boolean;
	
	    static createFrom(source: any = {}) {
	        return new DeviceView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.name = source["name"];
	        this.default = source["default"];
	    }
	}
	export class DevicesView {
	    cameras: DeviceView[];
	    microphones: DeviceView[];
	    speakers: DeviceView[];
	
	    static createFrom(source: any = {}) {
	        return new DevicesView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.cameras = this.convertValues(source["cameras"], DeviceView);
	        this.microphones = this.convertValues(source["microphones"], DeviceView);
	        this.speakers = this.convertValues(source["speakers"], DeviceView);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Engines {
	    native: boolean;
	    synthetic: boolean;
	
	    static createFrom(source: any = {}) {
	        return new Engines(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.native = source["native"];
	        this.synthetic = source["synthetic"];
	    }
	}
	export class EnterView {
	    linkId: string;
	    client: string;
	
	    static createFrom(source: any = {}) {
	        return new EnterView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.linkId = source["linkId"];
	        this.client = source["client"];
	    }
	}
	export class Entry {
	    url: string;
	    token: string;
	    engine: string;
	
	    static createFrom(source: any = {}) {
	        return new Entry(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.url = source["url"];
	        this.token = source["token"];
	        this.engine = source["engine"];
	    }
	}
	export class MessageView {
	    id: string;
	    name: string;
	    kind: string;
	    type: string;
	    seconds: number;
	    at: number;
	    kept: boolean;
	
	    static createFrom(source: any = {}) {
	        return new MessageView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.name = source["name"];
	        this.kind = source["kind"];
	        this.type = source["type"];
	        this.seconds = source["seconds"];
	        this.at = source["at"];
	        this.kept = source["kept"];
	    }
	}
	export class VisitorView {
	    name: string;
	    lastSeen: number;
	
	    static createFrom(source: any = {}) {
	        return new VisitorView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.name = source["name"];
	        this.lastSeen = source["lastSeen"];
	    }
	}
	export class LinkView {
	    id: string;
	    name: string;
	    state: string;
	    group: string;
	    createdAt: number;
	    usedAt: number;
	    endedAt: number;
	    waiting: number;
	    inCall: number;
	    hostInCall: boolean;
	    relay: string;
	    relayState: string;
	    relayCode: string;
	    door: string;
	    addresses: AddressView[];
	    visitors: VisitorView[];
	    copies: CopyView[];
	    opensAt: number;
	    ends: string;
	    endsAt: number;
	    removedAt: number;
	    stale: boolean;
	    messages: MessageView[];
	    silenced: boolean;
	    locked: boolean;
	
	    static createFrom(source: any = {}) {
	        return new LinkView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.name = source["name"];
	        this.state = source["state"];
	        this.group = source["group"];
	        this.createdAt = source["createdAt"];
	        this.usedAt = source["usedAt"];
	        this.endedAt = source["endedAt"];
	        this.waiting = source["waiting"];
	        this.inCall = source["inCall"];
	        this.hostInCall = source["hostInCall"];
	        this.relay = source["relay"];
	        this.relayState = source["relayState"];
	        this.relayCode = source["relayCode"];
	        this.door = source["door"];
	        this.addresses = this.convertValues(source["addresses"], AddressView);
	        this.visitors = this.convertValues(source["visitors"], VisitorView);
	        this.copies = this.convertValues(source["copies"], CopyView);
	        this.opensAt = source["opensAt"];
	        this.ends = source["ends"];
	        this.endsAt = source["endsAt"];
	        this.removedAt = source["removedAt"];
	        this.stale = source["stale"];
	        this.messages = this.convertValues(source["messages"], MessageView);
	        this.silenced = source["silenced"];
	        this.locked = source["locked"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Me {
	    name: string;
	
	    static createFrom(source: any = {}) {
	        return new Me(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.name = source["name"];
	    }
	}
	
	export class Notice {
	    id: number;
	    code: string;
	    message: string;
	
	    static createFrom(source: any = {}) {
	        return new Notice(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.code = source["code"];
	        this.message = source["message"];
	    }
	}
	export class OwnTestView {
	    url: string;
	    name: string;
	    counted: boolean;
	    from: string;
	
	    static createFrom(source: any = {}) {
	        return new OwnTestView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.url = source["url"];
	        this.name = source["name"];
	        this.counted = source["counted"];
	        this.from = source["from"];
	    }
	}
	export class OwnView {
	    url: string;
	    name: string;
	    state: string;
	    code?: string;
	    message?: string;
	    counted: boolean;
	
	    static createFrom(source: any = {}) {
	        return new OwnView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.url = source["url"];
	        this.name = source["name"];
	        this.state = source["state"];
	        this.code = source["code"];
	        this.message = source["message"];
	        this.counted = source["counted"];
	    }
	}
	
	export class RouterView {
	    on: boolean;
	    state: string;
	    external: string;
	    address: string;
	    by: string;
	    until: number;
	    pinhole: boolean;
	
	    static createFrom(source: any = {}) {
	        return new RouterView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.on = source["on"];
	        this.state = source["state"];
	        this.external = source["external"];
	        this.address = source["address"];
	        this.by = source["by"];
	        this.until = source["until"];
	        this.pinhole = source["pinhole"];
	    }
	}
	export class RelayOfferView {
	    links: number;
	    guests: number;
	    bytes: number;
	    turn: boolean;
	
	    static createFrom(source: any = {}) {
	        return new RelayOfferView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.links = source["links"];
	        this.guests = source["guests"];
	        this.bytes = source["bytes"];
	        this.turn = source["turn"];
	    }
	}
	export class RelayView {
	    url: string;
	    name: string;
	    state: string;
	    code?: string;
	    message?: string;
	    retryAt: number;
	    offer: RelayOfferView;
	    links: number;
	    hostKey?: string;
	
	    static createFrom(source: any = {}) {
	        return new RelayView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.url = source["url"];
	        this.name = source["name"];
	        this.state = source["state"];
	        this.code = source["code"];
	        this.message = source["message"];
	        this.retryAt = source["retryAt"];
	        this.offer = this.convertValues(source["offer"], RelayOfferView);
	        this.links = source["links"];
	        this.hostKey = source["hostKey"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Reach {
	    kind: string;
	    addresses: AddressView[];
	    relays: RelayView[];
	    newLinks: string;
	    relayOnly: boolean;
	    doors: boolean;
	    who: string;
	    own: OwnView;
	    router: RouterView;
	    funnel: string;
	
	    static createFrom(source: any = {}) {
	        return new Reach(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.kind = source["kind"];
	        this.addresses = this.convertValues(source["addresses"], AddressView);
	        this.relays = this.convertValues(source["relays"], RelayView);
	        this.newLinks = source["newLinks"];
	        this.relayOnly = source["relayOnly"];
	        this.doors = source["doors"];
	        this.who = source["who"];
	        this.own = this.convertValues(source["own"], OwnView);
	        this.router = this.convertValues(source["router"], RouterView);
	        this.funnel = source["funnel"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	
	export class RecordedView {
	    id: number;
	    name: string;
	    folder: string;
	    seconds: number;
	    code?: string;
	
	    static createFrom(source: any = {}) {
	        return new RecordedView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.name = source["name"];
	        this.folder = source["folder"];
	        this.seconds = source["seconds"];
	        this.code = source["code"];
	    }
	}
	
	
	
	export class WordView {
	    own: boolean;
	    text: string;
	    at: number;
	
	    static createFrom(source: any = {}) {
	        return new WordView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.own = source["own"];
	        this.text = source["text"];
	        this.at = source["at"];
	    }
	}
	export class RequestView {
	    id: string;
	    linkId: string;
	    linkName: string;
	    name: string;
	    shown: string;
	    since: number;
	    known: string;
	    timesLetIn: number;
	    nameInCall: boolean;
	    looksLike?: string;
	    bell: string;
	    copy?: string;
	    browser?: number;
	    bellAt: number;
	    rings: number;
	    seen: boolean;
	    waitUntil: number;
	    message: boolean;
	    outside: boolean;
	    away: boolean;
	    picture?: string;
	    lowers: boolean;
	    sameAs?: string;
	    familiar: boolean;
	    hint?: string;
	    like?: string;
	    canWrite: boolean;
	    words: WordView[];
	    lowersTo: number;
	
	    static createFrom(source: any = {}) {
	        return new RequestView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.linkId = source["linkId"];
	        this.linkName = source["linkName"];
	        this.name = source["name"];
	        this.shown = source["shown"];
	        this.since = source["since"];
	        this.known = source["known"];
	        this.timesLetIn = source["timesLetIn"];
	        this.nameInCall = source["nameInCall"];
	        this.looksLike = source["looksLike"];
	        this.bell = source["bell"];
	        this.copy = source["copy"];
	        this.browser = source["browser"];
	        this.bellAt = source["bellAt"];
	        this.rings = source["rings"];
	        this.seen = source["seen"];
	        this.waitUntil = source["waitUntil"];
	        this.message = source["message"];
	        this.outside = source["outside"];
	        this.away = source["away"];
	        this.picture = source["picture"];
	        this.lowers = source["lowers"];
	        this.sameAs = source["sameAs"];
	        this.familiar = source["familiar"];
	        this.hint = source["hint"];
	        this.like = source["like"];
	        this.canWrite = source["canWrite"];
	        this.words = this.convertValues(source["words"], WordView);
	        this.lowersTo = source["lowersTo"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	
	export class Settings {
	    engine: string;
	    camera: string;
	    microphone: string;
	    speaker: string;
	    sound: string;
	    effect: string;
	    theme: string;
	    bellSound: boolean;
	    notifications: boolean;
	    language: string;
	    welcomed: boolean;
	    seatsMove: boolean;
	    shareText: string;
	    keepAwake: boolean;
	
	    static createFrom(source: any = {}) {
	        return new Settings(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.engine = source["engine"];
	        this.camera = source["camera"];
	        this.microphone = source["microphone"];
	        this.speaker = source["speaker"];
	        this.sound = source["sound"];
	        this.effect = source["effect"];
	        this.theme = source["theme"];
	        this.bellSound = source["bellSound"];
	        this.notifications = source["notifications"];
	        this.language = source["language"];
	        this.welcomed = source["welcomed"];
	        this.seatsMove = source["seatsMove"];
	        this.shareText = source["shareText"];
	        this.keepAwake = source["keepAwake"];
	    }
	}
	export class StandingView {
	    browser: string;
	    name: string;
	    linkId: string;
	    linkName: string;
	
	    static createFrom(source: any = {}) {
	        return new StandingView(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.browser = source["browser"];
	        this.name = source["name"];
	        this.linkId = source["linkId"];
	        this.linkName = source["linkName"];
	    }
	}
	export class State {
	    revision: number;
	    me: Me;
	    reach: Reach;
	    links: LinkView[];
	    requests: RequestView[];
	    calls: CallView[];
	    enter?: EnterView;
	    settings: Settings;
	    engines: Engines;
	    notice?: Notice;
	    deeds: DeedView[];
	    standings: StandingView[];
	    arrival?: ArrivalView;
	    recorded?: RecordedView;
	
	    static createFrom(source: any = {}) {
	        return new State(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.revision = source["revision"];
	        this.me = this.convertValues(source["me"], Me);
	        this.reach = this.convertValues(source["reach"], Reach);
	        this.links = this.convertValues(source["links"], LinkView);
	        this.requests = this.convertValues(source["requests"], RequestView);
	        this.calls = this.convertValues(source["calls"], CallView);
	        this.enter = this.convertValues(source["enter"], EnterView);
	        this.settings = this.convertValues(source["settings"], Settings);
	        this.engines = this.convertValues(source["engines"], Engines);
	        this.notice = this.convertValues(source["notice"], Notice);
	        this.deeds = this.convertValues(source["deeds"], DeedView);
	        this.standings = this.convertValues(source["standings"], StandingView);
	        this.arrival = this.convertValues(source["arrival"], ArrivalView);
	        this.recorded = this.convertValues(source["recorded"], RecordedView);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	
	

}

