/** A session-initiate as a focus sends it, for tests. */
export const offerXml = `<jingle xmlns="urn:xmpp:jingle:1" action="session-initiate" initiator="daily@conference.meet.example/focus" sid="8f2c">
<content creator="initiator" name="audio" senders="both"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio" maxptime="60">
<payload-type id="111" name="opus" clockrate="48000" channels="2"><parameter name="minptime" value="10"/><parameter name="useinbandfec" value="1"/><rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="transport-cc"/></payload-type>
<rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="1" uri="urn:ietf:params:rtp-hdrext:ssrc-audio-level"/>
<extmap-allow-mixed xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"/><rtcp-mux/>
<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="1001" name="jvb-a0"><parameter name="msid" value="mixedmslabel mixedlabelaudio0"/><ssrc-info xmlns="http://jitsi.org/jitmeet" owner="jvb"/></source>
</description>
<transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="7c9m1" pwd="abcdefghijklmnopqrstuvwx"><fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="actpass">AB:CD</fingerprint><rtcp-mux/>
<web-socket xmlns="http://jitsi.org/protocol/colibri" url="wss://meet.example/colibri-ws/s1/c77/0a1b2c3d?pwd=q&amp;x=1"/>
<candidate id="c1" component="1" foundation="1" generation="0" ip="203.0.113.7" network="0" port="10000" priority="2130706431" protocol="udp" type="host"/></transport></content>
<content creator="initiator" name="video" senders="both"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="video">
<payload-type id="41" name="AV1" clockrate="90000"/><payload-type id="100" name="VP8" clockrate="90000"><rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="nack" subtype="pli"/></payload-type>
<payload-type id="107" name="H264" clockrate="90000"><parameter name="profile-level-id" value="42e01f;level-asymmetry-allowed=1;packetization-mode=1;"/></payload-type>
<payload-type id="96" name="rtx" clockrate="90000"><parameter name="apt" value="100"/></payload-type>
<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="1002" name="jvb-v0"><parameter name="msid" value="mixedmslabel mixedlabelvideo0"/><ssrc-info xmlns="http://jitsi.org/jitmeet" owner="jvb"/></source>
<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="3001" name="ffff0000-v0"><parameter name="msid" value="ffff0000-video-0-1 77aa-1"/><ssrc-info xmlns="http://jitsi.org/jitmeet" owner="room@x/ffff0000"/></source>
<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="3002" name="ffff0000-v0"><parameter name="msid" value="ffff0000-video-0-1 77aa-1"/><ssrc-info xmlns="http://jitsi.org/jitmeet" owner="room@x/ffff0000"/></source>
<ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="FID"><source ssrc="3001"/><source ssrc="3002"/></ssrc-group>
<rtcp-mux/></description><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="7c9m1" pwd="abcdefghijklmnopqrstuvwx"/></content>
<group xmlns="urn:xmpp:jingle:apps:grouping:0" semantics="BUNDLE"><content name="audio"/><content name="video"/></group>
<bridge-session xmlns="http://jitsi.org/protocol/focus" id="c77-0a1b2c3d" region="eu-1"/></jingle>`;
